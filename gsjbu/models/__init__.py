"""Networks that give signals to upsample: backbone features and segmentations."""
