"""Words of the contract with a title and a sentence for an officer, in English, Swahili and French."""
