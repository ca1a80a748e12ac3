"""Documents of the contract, generated from the models: AsyncAPI, JSON Schema, catalogue for people."""
