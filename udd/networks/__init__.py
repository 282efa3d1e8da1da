"""Networks: architectures, initialisation, training one, augmentation, precision, compilation, random streams."""
