"""Words of two invented vendors of scales, with equal names of models and verbs."""
