"""Models of pydantic from schemas, by datamodel-codegen: generate_models.py OUTPUT FILE...

Prints a JSON list of errors of the generator, and of the models when they are imported.
"""

import json
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from datamodel_code_generator import DataModelType, InputFileType, PythonVersion, generate

warnings.simplefilter("ignore")  # about defaults that later versions change
output, errors = Path(sys.argv[1]), []
output.mkdir(parents=True, exist_ok=True)
for name in sys.argv[2:]:
    file = Path(name)
    module = file.name.removesuffix(".json").replace(".", "_").replace("-", "_")
    written = output / f"{module}.py"
    try:
        generate(
            file,
            input_file_type=InputFileType.JsonSchema,
            output=written,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            collapse_root_models=True,
        )
        spec = spec_from_file_location(module, written)
        sys.modules[module] = loaded = module_from_spec(spec)
        spec.loader.exec_module(loaded)
    except Exception as error:
        errors.append(f"datamodel-codegen: {file}: {error!r}")
print(json.dumps(errors))
