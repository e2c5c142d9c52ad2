"""Which TensorFlow operations an export may consist of: those that compute and nothing else.

A SavedModel is a program: operations of TensorFlow read and write files, print, open connections
and call Python. Exports of cmgen need none of these, so that one which has them is not run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmgen.utils.errors import UserError

# Numbers, texts and pictures in memory; nothing here reaches a file, a socket or an interpreter.
_COMPUTING = """
    Abs Add AddN AddV2 All Any ArgMax Assert AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3
    BatchToSpaceND BesselI0e BiasAdd BitwiseAnd BitwiseOr BroadcastTo Cast Ceil CheckNumerics
    ClipByValue Complex ComplexAbs ConcatV2 Const Conv2D Conv2DBackpropInput Cos Cosh Cumsum
    DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DepthToSpace
    DepthwiseConv2dNative DivNoNan Einsum Elu EncodePng EncodeWav EnsureShape Equal Erf Erfc Exp
    ExpandDims Expm1 ExtractJpegShape FFT
    Fill Floor FloorDiv FloorMod FusedBatchNormV3 GatherNd GatherV2 Greater
    GreaterEqual IFFT IRFFT Identity IdentityN If Imag LeakyRelu LeftShift Less LessEqual LinSpace
    Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min
    Minimum MirrorPad Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 PartitionedCall Pow
    PreventGradient Prod RFFT Range Rank ReadVariableOp Real RealDiv Reciprocal Relu Relu6 Reshape
    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 RightShift Rint Round
    Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
    StatefulPartitionedCall StatelessIf StatelessRandomGetKeyCounter StatelessRandomNormalV2
    StatelessRandomUniformFullIntV2 StatelessRandomUniformV2 StatelessWhile StopGradient
    StridedSlice StringJoin StringLength Sub Substr Sum Tanh TensorListFromTensor TensorListGetItem
    TensorListReserve TensorListSetItem TensorListStack Tile TopKV2 Transpose TruncateDiv Unpack
    Where While ZerosLike
"""
OPERATIONS = frozenset(_COMPUTING.split())
# What TensorFlow puts into every SavedModel to write and read its variables. They take a file's
# name, and nothing that a model offers may come to them.
_SAVES = """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints Placeholder RestoreV2 SaveV2 ShardedFilename
    StaticRegexFullMatch VarHandleOp VarIsInitializedOp
"""
_SAVING = frozenset(_SAVES.split())
# What TensorFlow notes of every function. Others may change what is run.
_NOTES = frozenset(("_construction_context", "_input_shapes"))
_FILE = "saved_model.pb"


def check_saved_model(folder: Path) -> None:
    """Refuses a SavedModel that could do more than compute; nothing of it is run to find out."""
    from tensorflow.core.protobuf import saved_model_pb2

    # Exports of cmgen are one file, which is looked at below.
    if (folder / "saved_model.cpb").exists():
        raise UserError(f"{folder}: is split into parts (saved_model.cpb), no export of cmgen is")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / _FILE).read_bytes())
    except Exception as error:  # protobuf's implementations share no class but this one.
        raise UserError(f"{folder / _FILE}: can't be read ({error}); export it again") from error
    graphs = model.meta_graphs
    if len(graphs) != 1 or not graphs[0].object_graph_def.nodes:
        raise UserError(f"{folder}: not written by cmgen.export; export it again")
    foreign = sorted(_foreign(graphs[0]))
    if foreign:
        raise UserError(
            f"{folder}: holds what no export of cmgen has, and what may reach files or run "
            f"programs: {', '.join(foreign)}; use an export that you trust"
        )


def _foreign(graph: Any) -> set[str]:
    """Operations that are not allowed where they stand, and attributes of functions."""
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    waiting = list(graph.object_graph_def.concrete_functions)
    offered: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in offered and name in functions:
            offered.add(name)
            waiting += _called(functions[name].node_def)
    foreign = {node.op for node in graph.graph_def.node} - OPERATIONS - _SAVING
    for name, function in functions.items():
        allowed = OPERATIONS if name in offered else OPERATIONS | _SAVING
        # An operation may also be the name of a function.
        foreign |= {node.op for node in function.node_def} - allowed
        foreign |= set(function.attr) - _NOTES
    return foreign


def _called(nodes: Any) -> Iterator[str]:
    for node in nodes:
        yield node.op
        for value in node.attr.values():
            yield value.func.name
            yield from (function.name for function in value.list.func)
