"""Floating-point operations of a traced function."""

import math

import tensorflow as tf


def count(function: tf.types.experimental.ConcreteFunction) -> int:
    """Operations of a function's convolutions and matrix products: two for each multiplication.

    What works on single numbers is left out: it has few operations, and takes its time to move them.

    Args:
      function: traced, with static shapes. Functions that it calls are left out: cmgen compiles
        only what works on single numbers.
    """
    return sum(_of(operation) for operation in function.graph.get_operations())


def _of(operation: tf.Operation) -> int:
    """By the shapes; padding counts like any pixel, as textbooks have it."""
    inputs, outputs = operation.inputs, operation.outputs
    if operation.type == "MatMul":
        shared = inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
        return 2 * shared * _size(outputs[0])
    if operation.type == "BatchMatMulV2":
        shared = inputs[0].shape[-2 if operation.get_attr("adj_x") else -1]
        return 2 * shared * _size(outputs[0])
    # Each place of the smaller maps has a product with the whole kernel, whichever of the three
    # tensors is the result.
    small, kernel = {
        "Conv2D": (outputs, inputs[1:2]),
        "Conv2DBackpropInput": (inputs[2:3], inputs[1:2]),
        "Conv2DBackpropFilter": (inputs[2:3], outputs),
    }.get(operation.type, ((), ()))
    if not small:
        return 0
    batch, height, width, _ = small[0].shape
    return 2 * batch * height * width * _size(kernel[0])


def _size(tensor: tf.Tensor) -> int:
    return math.prod(tensor.shape)
