// Prints the name of each file given that is no JavaScript, as a script, a CommonJS module or an ES module; nothing is run.
"use strict";
const fs = require("fs");
const vm = require("vm");

function fails(make) {
  try {
    make();
    return false;
  } catch (error) {
    return true; // a SyntaxError, or a RangeError where the nesting is too deep
  }
}

for (const name of process.argv.slice(2)) {
  const text = fs.readFileSync(name, "utf8").replace(/^#!.*/, "");
  const isRejected =
    fails(() => vm.compileFunction(text, ["exports", "require", "module", "__filename", "__dirname"])) &&
    fails(() => new vm.SourceTextModule(text));
  if (isRejected) console.log(`${name}:0: error: SyntaxError`);
}
