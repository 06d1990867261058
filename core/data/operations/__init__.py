"""Operations of augmentation: numbers that each image draws for itself, maps of the plane, and changes of pixels."""
