"""What a run folder holds, written for programs that follow experiments: TensorBoard, MLflow, Weights & Biases."""
