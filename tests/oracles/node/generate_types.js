// Types of TypeScript from schemas, by three generators: node generate_types.js OUTPUT FILE...
// Writes OUTPUT/{generator}/...; prints a JSON list of errors, and of types without a name.
const fs = require("fs"), path = require("path");
const { compile } = require("json-schema-to-typescript");
const { quicktype, InputData, JSONSchemaInput } = require("quicktype-core");
const { TypeScriptGenerator } = require("@asyncapi/modelina");

const generators = {
  "json-schema-to-typescript": async (name, schema) => ({
    [name]: await compile(schema, name, { bannerComment: "", format: false }),
  }),
  quicktype: async (name, schema) => {
    const source = new JSONSchemaInput(undefined), input = new InputData();
    await source.addSource({ name, schema: JSON.stringify(schema) });
    input.addInput(source);
    const { lines } = await quicktype({
      inputData: input, lang: "typescript", rendererOptions: { "just-types": "true" },
    });
    return { [name]: lines.join("\n") };
  },
  Modelina: async (name, schema) => {
    const generator = new TypeScriptGenerator({ modelType: "interface", enumType: "union" });
    const models = await generator.generateCompleteModels(schema, { exportType: "named", moduleSystem: "ESM" });
    return Object.fromEntries(models.map((model) => [`${name}/${model.modelName}`, model.result]));
  },
};

(async () => {
  const [output, ...files] = process.argv.slice(2), errors = [];
  for (const file of files) {
    const text = fs.readFileSync(file, "utf8");
    const name = path.basename(file, ".json").replace(/[^A-Za-z0-9]+/g, "_");
    for (const [generator, generate] of Object.entries(generators)) {
      if (generator !== "Modelina" && "asyncapi" in JSON.parse(text)) continue;
      try {
        for (const [type, result] of Object.entries(await generate(name, JSON.parse(text)))) {
          if (/anonym/i.test(type)) errors.push(`${generator}: ${file}: ${type} has no name`);
          const written = path.join(output, generator, `${type}.ts`);
          fs.mkdirSync(path.dirname(written), { recursive: true });
          fs.writeFileSync(written, result);
        }
      } catch (error) {
        errors.push(`${generator}: ${file}: ${error}`);
      }
    }
  }
  console.log(JSON.stringify(errors));
})();
