"""A SavedModel through TensorFlow's C API, the loader and the session that a model server has.

Only what the tests need: load by tags, feed and fetch by tensor name.
"""

import ctypes
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

OK, INVALID_ARGUMENT = 0, 3
_LIBRARIES = pathlib.Path(tf.sysconfig.get_lib())
_CC, _FRAMEWORK = (
    ctypes.CDLL(str(next(_LIBRARIES.glob(f"libtensorflow_{part}.*"))))
    for part in ("cc", "framework")
)


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("free", ctypes.c_void_p)
    ]  # fmt: skip


class _String(ctypes.Structure):
    """A TF_TString that looks at bytes of others; the two lowest bits of the size say so."""

    _fields_ = [("size", ctypes.c_uint64), ("pointer", ctypes.c_char_p), ("rest", ctypes.c_uint64)]


_SIZE = ctypes.sizeof(_String)  # of every TF_TString
_SMALL, _LARGE, _OFFSET, _VIEW = range(4)


def _function(name, result, *arguments):
    for library in (_CC, _FRAMEWORK):
        try:
            function = getattr(library, name)
        except AttributeError:
            continue
        function.restype, function.argtypes = result, arguments
        return function
    raise AttributeError(f"TensorFlow has no {name}")


_P, _I, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_new_status = _function("TF_NewStatus", _P)
_delete_status = _function("TF_DeleteStatus", None, _P)
_code = _function("TF_GetCode", _I, _P)
_message = _function("TF_Message", _S, _P)
_new_graph = _function("TF_NewGraph", _P)
_new_options = _function("TF_NewSessionOptions", _P)
_new_buffer = _function("TF_NewBuffer", ctypes.POINTER(_Buffer))
_load = _function(
    "TF_LoadSessionFromSavedModel", _P, _P, _P, _S, ctypes.POINTER(_S), _I, _P,
    ctypes.POINTER(_Buffer), _P,
)  # fmt: skip
_operation = _function("TF_GraphOperationByName", _P, _P, _S)
_allocate = _function(
    "TF_AllocateTensor", _P, _I, ctypes.POINTER(ctypes.c_int64), _I, ctypes.c_size_t
)
_data = _function("TF_TensorData", _P, _P)
_kind = _function("TF_TensorType", _I, _P)
_rank = _function("TF_NumDims", _I, _P)
_dimension = _function("TF_Dim", ctypes.c_int64, _P, _I)
_delete_tensor = _function("TF_DeleteTensor", None, _P)
_run = _function(
    "TF_SessionRun", None, _P, _P, ctypes.POINTER(_Output), ctypes.POINTER(_P), _I,
    ctypes.POINTER(_Output), ctypes.POINTER(_P), _I, ctypes.POINTER(_P), _I, _P, _P,
)  # fmt: skip


class Failure(Exception):
    """What a TF_Status says; `code` is one of TensorFlow's."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Session:
    """A SavedModel that was loaded by its tags.

    Attributes:
        signatures: its signature defs by name.
    """

    def __init__(self, path, tags=("serve",)):
        self._graph, about = _new_graph(), _new_buffer()
        names = (_S * len(tags))(*(tag.encode() for tag in tags))
        self._session = _checked(
            _load, _new_options(), None, str(path).encode(), names, len(tags), self._graph, about
        )
        content = ctypes.string_at(about.contents.data, about.contents.length)
        self.signatures = dict(meta_graph_pb2.MetaGraphDef.FromString(content).signature_def)

    def __call__(self, signature, **inputs):
        """Answer by a signature: arrays by the names of its inputs -> arrays by name."""
        described = self.signatures[signature]
        kept = []  # what strings look at
        feeds = {described.inputs[name].name: value for name, value in inputs.items()}
        fed = (_P * len(feeds))(*(_tensor(value, kept) for value in feeds.values()))
        names = list(described.outputs)
        fetched = (_P * len(names))()
        try:
            _checked(
                _run, self._session, None,
                self._outputs(feeds), fed, len(feeds),
                self._outputs(described.outputs[name].name for name in names), fetched, len(names),
                None, 0, None,
            )  # fmt: skip
            return {name: _array(tensor) for name, tensor in zip(names, fetched, strict=True)}
        finally:
            for tensor in [*fed, *fetched]:
                if tensor is not None:
                    _delete_tensor(tensor)

    def _outputs(self, names):
        found = []
        for name in names:
            operation, index = name.split(":")
            address = _operation(self._graph, operation.encode())
            assert address is not None, f"the graph has no operation {operation}"
            found.append(_Output(address, int(index)))
        return (_Output * len(found))(*found)


def _checked(function, *arguments):
    """Call a function whose last argument is a status; raise `Failure` if it is not OK."""
    status = _new_status()
    try:
        result = function(*arguments, status)
        if _code(status) != OK:
            raise Failure(_code(status), _message(status).decode("utf-8"))
        return result
    finally:
        _delete_status(status)


def _tensor(value, kept):
    value = np.asarray(value)
    dimensions = (ctypes.c_int64 * value.ndim)(*value.shape)
    if value.dtype != object:
        value = np.ascontiguousarray(value)
        kind = tf.as_dtype(value.dtype).as_datatype_enum
        tensor = _allocate(kind, dimensions, value.ndim, value.nbytes)
        ctypes.memmove(_data(tensor), value.ctypes.data, value.nbytes)
        return tensor
    tensor = _allocate(tf.string.as_datatype_enum, dimensions, value.ndim, _SIZE * value.size)
    strings = (_String * value.size).from_address(_data(tensor))
    for place, content in zip(strings, value.ravel(), strict=True):
        kept.append(content)
        place.size, place.pointer, place.rest = len(content) << 2 | _VIEW, content, 0
    return tensor


def _array(tensor):
    kind = tf.as_dtype(_kind(tensor))
    shape = [_dimension(tensor, i) for i in range(_rank(tensor))]
    size = int(np.prod(shape))
    if kind != tf.string:
        content = ctypes.string_at(_data(tensor), size * kind.size)
        return np.frombuffer(content, kind.as_numpy_dtype).reshape(shape)
    found = [_text(_data(tensor) + i * _SIZE) for i in range(size)]
    return np.array(found, object).reshape(shape)


def _text(address):
    """Return the bytes of a TF_TString: a few are in their place, more are elsewhere."""
    numbers = (ctypes.c_uint64 * 3).from_address(address)
    kind = numbers[0] & 3
    if kind == _SMALL:
        return ctypes.string_at(address + 1, ctypes.string_at(address, 1)[0] >> 2)
    if kind == _OFFSET:
        size, offset = (ctypes.c_uint32 * 2).from_address(address)
        return ctypes.string_at(address + offset, size >> 2)
    return ctypes.string_at(numbers[2 if kind == _LARGE else 1], numbers[0] >> 2)
