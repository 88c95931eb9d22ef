"""Training of the small chat model in Models/default; see ../train-default-model."""
