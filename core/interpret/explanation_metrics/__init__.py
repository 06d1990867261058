"""How far an attribution map can be trusted: faithfulness, sensitivity, localisation, baselines."""
