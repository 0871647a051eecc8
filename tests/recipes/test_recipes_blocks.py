"""Words for normalisation, residual blocks, locally connected layers and dropout."""

import re

import pytest
from recipes_support import message

from dtp_tf.comparing.plan import make_plan
from dtp_tf.errors import SettingError
from dtp_tf.recipes.layers_in_words import Conv, Dense, Local, Residual, parse_layers
from dtp_tf.recipes.recipe import ACTIVATIONS, recipe
from dtp_tf.tuning.search_space import make_search


def test_layers_are_what_their_words_say():
    texts = (
        "conv 8 3 norm", "conv 8 3/2 p1 norm elu average 3/2 p1 dropout 0.25", "local 16 3/2",
        "local 16 5 valid relu dropout .5", "residual 64", "residual 64/2", "residual 64 /2 relu",
        "residual 8 average 4 dropout 0.1", "dense 7 norm", "dense 7 norm relu dropout 0.5",
        "dense 7 dropout 0.5",
    )  # fmt: skip
    assert parse_layers(texts, ACTIVATIONS) == [
        Conv(8, 3, norm=True),
        Conv(8, 3, 2, 1, "elu", "average", 3, 2, 1, norm=True, dropout=0.25),
        Local(16, 3, 2),
        Local(16, 5, 1, "valid", "relu", 0.5),
        Residual(64),
        Residual(64, 2),
        Residual(64, 2, "relu"),
        Residual(8, pool="average", pool_size=4, dropout=0.1),
        Dense(7, norm=True),
        Dense(7, "relu", True, 0.5),
        Dense(7, dropout=0.5),
    ]


def test_norm_and_dropout_of_their_own_belong_to_the_layer_before():
    apart = "conv 8 3 elu max 2, norm, dropout 0.2, residual 8, dropout 0.3, dense 5, norm"
    within = "conv 8 3 norm elu max 2 dropout 0.2, residual 8 dropout 0.3, dense 5 norm"
    one, other = (parse_layers(recipe(layers=text).layers, ACTIVATIONS) for text in (apart, within))
    assert one == other
    assert recipe(layers=apart).layers == tuple(apart.split(", "))


@pytest.mark.parametrize(
    ("layers", "text", "words"),
    [
        ("norm", "norm", "with no layer before it to belong to"),
        ("dropout 0.5, dense 4", "dropout 0.5", "with no layer before it"),
        ("dense 4 norm, norm", "norm", "the layer before it has norm already"),
        ("dense 4, dropout 0.5, dropout 0.5", "dropout 0.5", "has dropout already"),
        ("dense 4, norm relu", "norm relu", "'relu' has no meaning"),
        ("residual 8, norm", "norm", "norm belongs to a conv or dense layer: residual blocks have"),
        ("local 8 3 norm", "local 8 3 norm", "norm belongs.*local layers take none"),
        ("dense 4 relu norm", "dense 4 relu norm", "'norm' has no meaning.*the order is: sizes"),
        ("dense 4 dropout", "dense 4 dropout", "RATE must be above 0 and below 1.*got nothing"),
        ("dense 4 dropout 1", "dense 4 dropout 1", "RATE must be.*such as 0.5; got '1'"),
        ("dense 4 dropout 0.0", "dense 4 dropout 0.0", "RATE must be.*got '0.0'"),
        ("dense 4 dropout half", "dense 4 dropout half", "RATE must be.*got 'half'"),
        ("residual", "residual", "CHANNELS must be.*got nothing"),
        ("residual 8 2", "residual 8 2", "'2' has no meaning"),
        ("residual 8 /0", "residual 8 /0", "/STRIDE must be pixels such as /2; got '/0'"),
        ("residual x/2", "residual x/2", "CHANNELS must be.*got 'x'"),
        ("local 8", "local 8", "KERNEL must be pixels.*got nothing"),
        ("local 8 12", "local 8 12", "KERNEL must be at most 11 pixels; got 12"),
        ("local 8 3 p1", "local 8 3 p1", "'p1' has no meaning"),
        ("local 8 3 max 2", "local 8 3 max 2", "'max' has no meaning"),
        ("conv 8 3 norm max 3/2 p1", "conv 8 3 norm max 3/2 p1", "max pooling with p1.*leave"),
        ("conv 8 3 max 3/2 p1, norm", "norm", "max pooling with p1 does not follow"),
        ("dense 5, residual 8", "residual 8", "above a dense layer"),
        ("dense 5, local 8 3", "local 8 3", "above a dense layer"),
        ("resdiual 8", "resdiual 8", "a layer is conv.*local.*residual.*dense.*norm and dropout"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_their_text(layers, text, words):
    found = message(recipe, layers=layers)
    assert f"`layers` has {text!r}" in found
    assert re.search(words, found), found
    assert found[-1] == "."


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ("dense 8 norm", "normalisation"),
        ("dense 8 dropout 0.5", "dropout"),
        ("local 8 3", "a locally connected layer"),
        ("residual 8", "a residual block"),
        ("conv 8 3 norm", "a convolution with normalisation"),
    ],
)
def test_signs_and_samples_are_sent_by_plain_dense_layers_only(layers, what):
    found = message(recipe, layers=layers, transmission="sign")
    assert found == (
        f"`transmission` sign is for dense layers, got {what} in `layers`; use continuous."
    )


@pytest.mark.parametrize("layers", ["conv 8 3", "local 8 3", "residual 8", "dense 8 norm"])
def test_the_rule_autoencoder_is_refused_for_all_but_plain_dense_layers(layers):
    found = message(recipe(layers=layers, rule="autoencoder").check)
    assert re.search("`rule` autoencoder decodes by.*layer 1 is .*; use dense layers", found)
    recipe(layers="dense 8 dropout 0.5", rule="autoencoder").check()


@pytest.mark.parametrize("rule", ["fa", "sign_symmetry", "kp", "weight_mirror"])
def test_feedback_alignment_is_refused_where_a_layer_above_the_first_is_a_block(rule):
    for layers in ("conv 8 3, residual 8", "conv 8 3, conv 8 3, norm"):
        found = message(recipe(layers=layers, rule=rule).check)
        assert re.search(f"`rule` {rule} needs layers with one set of weights, and layer 2", found)
    recipe(layers="conv 8 3 norm, local 8 3, dense 5 dropout 0.5", rule=rule).check()


def test_a_comparison_refuses_at_once_what_one_of_its_rules_cannot_have():
    with pytest.raises(SettingError, match="`rule` fa needs.*layer 2 is a residual block"):
        make_plan("digits", rules="bp,fa", seeds=1, layers="conv 8 3, residual 8")
    plan = make_plan("digits", rules="bp,dtp", seeds=1, layers="conv 8 3 norm, residual 8")
    assert {one.layers for one in plan.recipes} == {("conv 8 3 norm", "residual 8")}


def test_a_search_may_choose_among_layers():
    layers = ["conv 8 3 norm, local 8 3, dropout 0.5", "residual 8"]
    choices = [one.split(", ") for one in layers]
    base, space = make_search("digits", {"layers": {"choices": choices}})
    found = space.settings({"layers": ",".join(choices[0])})
    assert found == {"layers": tuple(choices[0])}
    assert base.replace(**found).layers == tuple(choices[0])
    with pytest.raises(SettingError, match="the search space: .*`rule` fa needs layers with one"):
        choices = {"choices": [["dense 8"], ["conv 8 3", "residual 8"]]}
        make_search("digits", {"layers": choices}, rule="fa")
