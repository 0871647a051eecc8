"""The graph of a Keras model as plain steps: what is called, with which tensors, in which order."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Slot:
    """The place of a tensor among the arguments of a step; tensors have numbers."""

    number: int


@dataclasses.dataclass(frozen=True)
class Step:
    """One call in a graph.

    Attributes:
        layer: the layer or operation that is called.
        args, kwargs: its arguments, with a `Slot` for each tensor.
        inputs, outputs: the numbers of the tensors that it takes and gives.
    """

    layer: object
    args: tuple
    kwargs: dict
    inputs: tuple
    outputs: tuple

    @property
    def output(self):
        return self.outputs[0]


class Graph:
    """The steps from the one input of a model to its one output, models inside it taken apart.

    Args:
        model: a built Sequential or functional model; any other layer is a graph of one step.
        input_shape: of the model, `(None, ..)`; needed for such layers only.

    Attributes:
        steps: the `Step`s, each after those that it needs.
        tensors: `keras.KerasTensor`s by number: shapes, types and masks.
        input, output: the numbers of the input and the output.
        nested: whether there are models inside.
    """

    def __init__(self, model, input_shape=None):
        self.steps, self.tensors, self.nested = [], [], False
        if _taken_apart(model):
            self.input = self._new(model.inputs[0])
            known = {id(model.inputs[0]): self.input}
            self.output = self._follow(model.outputs[0], known)
        else:
            below = keras.KerasTensor(tuple(input_shape))
            above = keras.KerasTensor(tuple(model.compute_output_shape(tuple(input_shape))))
            self.input, self.output = self._new(below), self._new(above)
            only = (self.input,), (self.output,)
            self.steps.append(Step(model, (Slot(self.input),), {}, *only))

    def _new(self, tensor):
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _follow(self, tensor, known):
        """Add the steps that lead to a model's tensor; return its number.

        Args:
            known: numbers of that model's tensors by their ids.
        """
        waiting = [tensor]
        while waiting:  # no recursion: models have hundreds of steps
            node = _node(waiting[-1])
            missing = [one for one in node.input_tensors if id(one) not in known]
            if id(waiting[-1]) in known:
                waiting.pop()
            elif missing:
                waiting += reversed(missing)
            else:
                self._add(node, known)
        return known[id(tensor)]

    def _add(self, node, known):
        if _taken_apart(node.operation):
            inner, self.nested = node.operation, True
            inside = {
                id(one): known[id(given)]
                for one, given in zip(inner.inputs, node.input_tensors, strict=True)
            }
            for one, given in zip(inner.outputs, node.outputs, strict=True):
                known[id(given)] = self._follow(one, inside)
            return
        for tensor in node.outputs:
            known[id(tensor)] = self._new(tensor)

        def slot(value):
            return Slot(known[id(value)]) if isinstance(value, keras.KerasTensor) else value

        arguments = node.arguments
        self.steps.append(
            Step(
                node.operation,
                tuple(keras.tree.map_structure(slot, arguments.args)),
                keras.tree.map_structure(slot, arguments.kwargs),
                tuple(known[id(one)] for one in node.input_tensors),
                tuple(known[id(one)] for one in node.outputs),
            )
        )

    def shape(self, number):
        """Return the shape of a tensor, `(None, ..)`."""
        return tuple(self.tensors[number].shape)

    def uses(self, number):
        """Return how many steps take a tensor, and the output counts as one."""
        return sum(number in step.inputs for step in self.steps) + (number == self.output)

    def cuts(self):
        """Return the numbers of the tensors that all paths meet in, from the input to the output.

        In whichever order the steps are made: once such a tensor is there, all that follows needs
        no other one.
        """
        last = {self.output: len(self.steps)}
        for position, step in enumerate(self.steps):
            last.update(dict.fromkeys(step.inputs, position))
        found, living = [], {self.input}
        for position, step in enumerate(self.steps):
            if len(living) == 1:
                found += living
            living |= {one for one in step.outputs if one in last}
            living = {one for one in living if last[one] > position}
        return [*found, self.output]

    def run(self, value, call=None, part=None):
        """Return the values of all tensors by number, given that of the input.

        Args:
            value: a tensor or a `keras.KerasTensor`.
            call: called with a step, the arguments and keyword arguments; by default it calls the
                step's layer.
            part: what has `steps` of this graph and the number `before` of what goes into them;
                by default all of it.
        """
        values = {self.input if part is None else part.before: value}

        def fill(one):
            return values[one.number] if isinstance(one, Slot) else one

        for step in self.steps if part is None else part.steps:
            args = keras.tree.map_structure(fill, step.args)
            kwargs = keras.tree.map_structure(fill, step.kwargs)
            result = step.layer(*args, **kwargs) if call is None else call(step, args, kwargs)
            values.update(zip(step.outputs, keras.tree.flatten(result), strict=True))
        return values


def is_functional(model):
    """Whether a layer is a built Sequential or functional model, whose tensors are known."""
    return isinstance(model, keras.Model) and bool(getattr(model, "outputs", None))


def _taken_apart(model):
    return is_functional(model) and len(model.inputs) == len(model.outputs) == 1


def _node(tensor):
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]
