"""The catalogue of backbones, and its sources: torchvision, EfficientNet-Lite, the course's networks, timm."""
