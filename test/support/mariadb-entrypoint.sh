#!/bin/bash
# What the tests need of the official mariadb image's entrypoint: initialise an empty data directory with
# MYSQL_ROOT_PASSWORD (or MARIADB_ROOT_PASSWORD), drop to the mysql user, exec the server.
set -euo pipefail
note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
fail() { printf '%s [ERROR] [Entrypoint]: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; exit 1; }
[ "${1:-}" = mariadbd ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p /run/mysqld
  chown mysql:mysql /var/lib/mysql /run/mysqld
  note "Switching to dedicated user 'mysql'"
  exec gosu mysql "$0" "$@"
fi
if [ ! -d /var/lib/mysql/mysql ]; then
  password=${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}
  [ -n "$password" ] || fail "Database is uninitialized and password option is not specified: set MARIADB_ROOT_PASSWORD"
  note "Initializing database files"
  mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db >/dev/null
  quoted=${password//\\/\\\\}
  quoted=${quoted//\'/\\\'}
  printf "FLUSH PRIVILEGES;\nALTER USER 'root'@'localhost' IDENTIFIED BY '%s';\nCREATE USER 'root'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO 'root'@'%%' WITH GRANT OPTION;\n" \
    "$quoted" "$quoted" | mariadbd --bootstrap --datadir=/var/lib/mysql >/dev/null 2>&1
  note "MariaDB init process done. Ready for start up."
fi
exec "$@"
