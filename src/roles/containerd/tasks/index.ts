export { createTasks, type LocalTasks, type TasksOptions } from "./tasks.ts";
