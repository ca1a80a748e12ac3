"""Safety of a configuration: rules, and the argument for one barrier."""
