// Container names: docker's rule for what one may be, and adjective_surname for those who give none.
import { randomInt } from "node:crypto";
import { badRequest } from "../errors.ts";

const PATTERN = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const ADJECTIVES =
  `able amber ample apt arctic avid balmy blithe bold brave breezy brisk bubbly candid cheery civil clear
clever comely cosmic cosy courtly crisp curious dapper daring deft dreamy eager earnest easy elated elegant epic fair
fancy festive fond frank fresh frosty gallant genial gentle gifted gleaming golden grand happy hardy hearty hopeful humble
jaunty jolly jovial keen kind lively loyal lucid lucky mellow merry mighty mirthful modest neat nimble noble patient placid
plucky polite prime proud quaint quick quiet radiant ready robust rosy sage serene sharp shiny sincere sleek smart snug
sober sprightly spry stoic sunny swift tender tidy tranquil trusty upbeat vivid vibrant warm wise witty zany zealous zesty`
    .split(/\s+/)
    .filter((word) => word !== "");

// People whose work computing and its sciences stand on.
const SURNAMES =
  `abel alkindi amdahl ampere archimedes avogadro babbage backus banach bardeen bayes bell bernoulli bessel
boltzmann boole borg brahmagupta cantor carnot cauchy cerf church codd conway copernicus coulomb curie dahl davinci
descartes dijkstra dirac doppler easley einstein engelbart erdos euclid euler fano faraday fermat fermi feynman fibonacci
floyd fourier franklin galilei galois gauss germain godel goldberg goodall gosling hamming hawking herschel hertz hilbert
hoare hodgkin hopper huffman huygens hypatia jacobi johnson kalman kay kepler keldysh khayyam kilby knuth kolmogorov
kovalevskaya lamarr lamport laplace lebedev leibniz liskov lovelace maxwell mccarthy mendel mendeleev mirzakhani moore
naur nash newton nightingale noether noyce nygaard ohm pascal pasteur pauli perlman planck poincare ptolemy ramanujan rao
raman riemann ritchie roentgen sammet shannon shirley spence stallman tesla thompson torvalds tu turing volta wiles wilkes
wirth wozniak wu yalow zuse`
    .split(/\s+/)
    .filter((word) => word !== "");

/** The name without slash, checked. ApiError 400 with docker's words. */
export function checkName(given: string): string {
  if (!PATTERN.test(given)) {
    throw badRequest(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return given.replace(/^\//, "");
}

/** A name that `taken` does not know. */
export function randomName(taken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const adjective = ADJECTIVES[randomInt(ADJECTIVES.length)]!;
    const surname = SURNAMES[randomInt(SURNAMES.length)]!;
    const name = `${adjective}_${surname}${attempt < 4 ? "" : randomInt(10 ** Math.min(9, attempt - 2))}`;
    if (!taken(name)) return name;
  }
}
