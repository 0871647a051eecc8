"""Where networks come from beside their pairs: presets and Keras models."""

from dtp_tf.network.conversion import convert
from dtp_tf.presets.folder import shipped_presets


class _Presets:
    """Reads the table of shipped presets when it is looked at."""

    def __get__(self, instance, owner):
        return shipped_presets()


class Sources:
    """The other ways to make a `DTPNetwork`, which extends this class."""

    presets = _Presets()

    @classmethod
    def from_preset(cls, name_or_folder, load_weights=True):
        """Return a network with published weights.

        It is compiled with the optimizers of its recipe, which have not begun: `fit` goes on from
        its weights, and `compile` may come before.

        Args:
            name_or_folder: one of `DTPNetwork.presets`, or the folder of a preset.
            load_weights: whether to load its weights; otherwise the same network with weights
                drawn afresh.

        Raises:
            UserError: there is no such preset, or it is damaged, foreign or of a newer version.

        Example:

        >>> import dtp_tf
        >>> network = dtp_tf.DTPNetwork.from_preset("digits_mlp_dtp")
        >>> network.example_shape
        (8, 8, 1)
        """
        # Here, for reading needs Keras, which imports this module as soon as it is there.
        from dtp_tf.presets.reading import read_preset

        return read_preset(name_or_folder, load_weights)[0]

    @classmethod
    def from_keras(cls, model, rule=None, cuts=None, inverse_blocks=None, **kwargs):
        """Return a network with the forward function of a Keras model and a copy of its weights.

        Each part of the model with weights becomes a pair: a dense or convolutional layer with its
        activation, pooling, normalisation and dropout, or, where there are branches, all from
        where they leave to where they meet. Parts are `DensePair` or `Conv2DPair` where these
        express the same function, otherwise `BlockPair`. The last Dense layer with its activation
        becomes the output layer; what comes before the first weights that learn, `preprocessing`.
        The model itself stays as it is. How it was compiled is not taken over.

        Args:
            model: a built Sequential or functional model with one input, one output, and a Dense
                layer last; models inside it are taken apart.
            rule: see `DTPNetwork`.
            cuts: names of layers after which pairs end, for fewer and larger pairs; by default
                wherever all paths meet after weights.
            inverse_blocks: {name of a pair: a Keras model or layer as its inverse}, where none can
                be derived or another one is wanted; see `BlockPair`. A pair has the name of its
                only layer that learns, otherwise of its last layer.
            **kwargs: `seed`, `name` and other arguments of `DTPNetwork`.

        Raises:
            SettingError: a model or layer that cannot be converted, by its name, or `cuts` or
                `inverse_blocks` that do not fit.

        Example:

        >>> import keras, dtp_tf
        >>> model = keras.Sequential([
        ...     keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, activation="relu"),
        ...     keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
        >>> network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.LDRL())
        >>> [type(pair).__name__ for pair in network.pairs]
        ['Conv2DPair']
        """
        return convert(cls, model, rule, cuts, inverse_blocks, **kwargs)
