// Types of another language from one schema, by quicktype: node generate_language.js LANGUAGE OUTPUT NAME SCHEMA
const fs = require("fs"), path = require("path");
const { quicktypeMultiFile, InputData, JSONSchemaInput } = require("quicktype-core");

const options = {
  java: { package: "borderpost.contract" },
  csharp: { namespace: "Borderpost.Contract", framework: "SystemTextJson" },
};

(async () => {
  const [lang, output, name, schema] = process.argv.slice(2);
  const source = new JSONSchemaInput(undefined), inputData = new InputData();
  await source.addSource({ name, schema: fs.readFileSync(schema, "utf8") });
  inputData.addInput(source);
  const files = await quicktypeMultiFile({ inputData, lang, rendererOptions: options[lang] });
  fs.mkdirSync(output, { recursive: true });
  for (const [file, { lines }] of files) fs.writeFileSync(path.join(output, file), lines.join("\n"));
})();
