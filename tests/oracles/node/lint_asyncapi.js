// Diagnostics of AsyncAPI's own parser and of spectral: node lint_asyncapi.js < JSON list of documents.
// Prints for each: addresses of its channels, and diagnostics (0 error, 1 warning, 2 and more: advice).
const { Parser } = require("@asyncapi/parser");
const { Spectral, Document } = require("@stoplight/spectral-core");
const { Yaml } = require("@stoplight/spectral-parsers");
const { asyncapi } = require("@stoplight/spectral-rulesets");

const read = async (text) => {
  const spectral = new Spectral();
  spectral.setRuleset({ extends: [[asyncapi, "all"]] });
  const { document, diagnostics } = await new Parser().parse(text);
  const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
  const lint = await spectral.run(new Document(text, Yaml, "asyncapi.yaml"));
  const found = [...diagnostics, ...lint].map(({ code, severity, message, path }) => ({ code, severity, message, path }));
  return { channels, diagnostics: found };
};

(async () => {
  const found = [];
  for (const text of JSON.parse(require("fs").readFileSync(0, "utf8"))) found.push(await read(text));
  console.log(JSON.stringify(found));
})();
