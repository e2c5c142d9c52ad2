"""Runs become SavedModels, ONNX graphs, clients and a model card."""
