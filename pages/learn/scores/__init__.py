"""Parts of the lesson on logits, softmax and cross-entropy."""
