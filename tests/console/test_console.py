"""What a person reads: one line an epoch, numbers that add up, names printed as they are."""

import dataclasses
import io

import pytest
from helpers import digits, succeeded, trained
from rich.console import Console

import dtp_tf
from dtp_tf.console.console import Display, epoch_line, show_data, show_network, show_report
from dtp_tf.console.tables import make_console, show_answers
from dtp_tf.training.building import build_network

LOGS = {
    "loss": 0.51239,
    "accuracy": 0.87654,
    "local_loss_1": 0.00012345,
    "local_loss_2": 2.5,
    "inverse_loss_2": 12.3456,
    "val_loss": 0.6,
    "val_accuracy": 0.8,
    "val_reconstruction_error_2": 0.25,
    "images_per_second": 12345.6,
    "seconds": 2.0,
}


def shown(show, *args, terminal=False):
    """Return what a function prints on a console."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, width=110, highlight=False, soft_wrap=True
    )
    show(console, *args)
    return file.getvalue()


def network_of(**settings):
    recipe = dtp_tf.recipe("digits", **settings)
    return build_network(recipe, digits()), recipe


# a line per epoch


def test_an_epoch_is_one_line_with_all_its_numbers():
    assert epoch_line(3, 30, LOGS) == (
        "epoch  3/30  loss 0.5124 val 0.6000  accuracy 87.65% val 80.00%  "
        "local 1.2e-04 2.5e+00  inverse 12.3  12,346 images/s"
    )


def test_an_epoch_without_inverses_says_so():
    logs = {name: value for name, value in LOGS.items() if name != "inverse_loss_2"}
    assert "inverse -  " in epoch_line(1, 2, logs)


def test_lines_of_a_run_stand_below_each_other():
    assert len({len(epoch_line(epoch, 100, LOGS)) for epoch in (1, 10, 100)}) == 1


def test_off_a_terminal_training_prints_a_line_per_epoch_and_no_bar():
    file = io.StringIO()
    display = Display(Console(file=file, force_terminal=False, width=110, soft_wrap=True))
    display.set_params({"epochs": 2, "steps": 3})
    for epoch in range(2):
        display.on_epoch_begin(epoch)
        for batch in range(3):
            display.on_train_batch_end(batch)
        display.on_epoch_end(epoch, LOGS)
    display.on_train_end()
    assert file.getvalue().splitlines() == [epoch_line(1, 2, LOGS), epoch_line(2, 2, LOGS)]


def test_on_a_terminal_training_shows_a_bar_and_then_the_line():
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=110, highlight=False, soft_wrap=True
    )
    display = Display(console)
    display.set_params({"epochs": 2, "steps": 3})
    display.on_epoch_begin(0)
    display.on_train_batch_end(0)
    display.on_train_batch_end(1)
    display.on_epoch_end(0, LOGS)
    display.on_train_end()
    text = file.getvalue()
    assert "epoch 1/2" in text
    assert "2/3" in text
    assert epoch_line(1, 2, LOGS) in text


def test_a_bar_is_taken_away_after_an_error_and_closing_twice_is_fine():
    console = Console(file=io.StringIO(), force_terminal=True)
    display = Display(console)
    display.set_params({"epochs": 2, "steps": 3})
    display.on_epoch_begin(0)
    display.close()
    display.close()
    display.on_epoch_begin(1)  # a bar left behind would forbid another
    display.close()


# data and network


def test_the_data_are_told_with_the_sizes_of_all_splits():
    assert shown(show_data, digits()) == (
        "data       digits: 8x8x1 images, 10 classes; 1,150 training, 287 validation, "
        "360 test (every fifth image)\n"
        "classes    0 107, 1 118, 2 129, 3 105, 4 113, 5 120, 6 119, 7 123, 8 104, 9 112 (training "
        "images)\n"
    )
    without = dataclasses.replace(digits(), test=None, test_origin="not read")
    assert "287 validation, test split not read\n" in shown(show_data, without)


def test_forward_and_inverse_weights_are_counted_pair_by_pair():
    lines = shown(show_network, *network_of(units=(20, 12, 30))).splitlines()
    # weights and biases: 64 inputs, hidden layers of 20, 12 and 30 units, 10 classes
    assert lines[1].split() == ["1", "64", "->", "20", "tanh", "1,300", "-", "-"]
    assert lines[2].split() == "2 20 -> 12 tanh 252 12 -> 20 tanh 260".split()
    assert lines[3].split() == "3 12 -> 30 tanh 390 30 -> 12 tanh 372".split()
    assert lines[4].split() == ["output", "30", "->", "10", "softmax", "310", "-", "-"]
    assert lines[5].split() == ["all", "2,252", "632"]
    assert len(lines) == 6


def test_a_rule_without_inverses_is_told_with_its_feedback_weights_or_none():
    lines = shown(show_network, *network_of(units=(20, 12), rule="ddtp_linear")).splitlines()
    assert lines[0].split() == ["layer", "forward", "f", "weights", "feedback", "weights"]
    assert lines[1].split() == "1 64 -> 20 tanh 1,300 10 -> 20 200".split()
    assert lines[2].split() == "2 20 -> 12 tanh 252 10 -> 12 120".split()
    assert lines[3].split() == "output 12 -> 10 softmax 130 - -".split()
    assert lines[4].split() == ["all", "1,682", "320"]
    fixed = shown(show_network, *network_of(units=(20, 12), rule="dfa")).splitlines()
    assert fixed[1].split() == "1 64 -> 20 tanh 1,300 10 -> 20 200".split()
    none = shown(show_network, *network_of(units=(20, 12), rule="bp")).splitlines()
    assert none[2].split() == "2 20 -> 12 tanh 252 - -".split()
    assert none[4].split() == ["all", "1,682", "-"]


def test_the_inverse_of_the_output_layer_is_told_and_counted_where_there_is_one():
    lines = shown(show_network, *network_of(units=(20, 12), rule="sdtp")).splitlines()
    assert lines[3].split() == "output 12 -> 10 softmax 130 10 -> 12 tanh 132".split()
    assert lines[4].split() == ["all", "1,682", "392"]


def test_an_epoch_without_local_losses_says_so():
    logs = {name: value for name, value in LOGS.items() if not name.startswith("local")}
    assert "local -  inverse 12.3  " in epoch_line(1, 2, logs)


def test_the_network_is_told_with_both_activations():
    settings = {"units": (4, 4), "activation": "relu", "inverse_activation": "linear"}
    text = shown(show_network, *network_of(**settings))
    assert "64 -> 4 relu" in text
    assert "4 -> 4 linear" in text


# reports and answers


REPORT = {
    "accuracy": 0.75,
    "loss": 0.5,
    "images": 1200,
    "per_class": {"[bold]cat[/bold]": 0.5, "[/]": 1.0, "dog": None},
    "confusion_matrix": [[1, 1, 0], [0, 2, 0], [0, 0, 0]],
}


@pytest.mark.parametrize("terminal", [False, True])
def test_brackets_in_class_names_are_printed_as_they_are(terminal):
    text = shown(show_report, REPORT, "test", terminal=terminal)
    assert "[bold]cat[/bold]" in text
    assert "[/]" in text


def test_a_report_has_every_class_and_the_sum():
    lines = shown(show_report, REPORT, "digits test").splitlines()
    assert lines[1].split() == ["[bold]cat[/bold]", "50.00%", "2"]
    assert lines[3].split() == ["dog", "-", "0"]
    assert lines[-1] == "digits test: accuracy 75.00%, loss 0.5000, 1,200 images"


def test_brackets_in_the_name_of_a_data_set_are_printed_as_they_are():
    text = shown(show_report, REPORT, "/pictures [old] test")
    assert "/pictures [old] test: accuracy" in text


def test_answers_name_each_image_once_and_print_brackets_as_they_are():
    answers = [
        {"image": "a[1].png", "classes": ["[red]", "b"], "scores": [0.9, 0.1]},
        {"image": "[/x].png", "classes": ["b", "[red]"], "scores": [0.75, 0.25]},
    ]
    lines = [line.split() for line in shown(show_answers, answers).splitlines()[1:]]
    assert lines == [
        ["a[1].png", "[red]", "0.9000"],
        ["b", "0.1000"],
        ["[/x].png", "b", "0.7500"],
        ["[red]", "0.2500"],
    ]


# the console


def test_human_text_goes_to_standard_error_where_standard_output_is_for_programs(capfd):
    make_console(stderr=True).print("for a person")
    assert capfd.readouterr() == ("", "for a person\n")
    make_console().print("for a person")
    assert capfd.readouterr() == ("for a person\n", "")


def test_a_quiet_console_prints_nothing(capfd):
    make_console(quiet=True).print("nothing")
    assert capfd.readouterr() == ("", "")


def test_long_lines_are_not_broken_off_a_terminal(capfd):
    make_console().print("word " * 100)
    assert len(capfd.readouterr().out.splitlines()) == 1


def test_a_training_tells_device_data_network_epochs_report_and_export_in_this_order():
    folder, result = trained()
    text = succeeded(result)
    parts = [
        "device     CPU" if "device     CPU" in text else "device     GPU",
        "data       digits: 8x8x1 images",
        f"run        {folder}",
        "64 -> 16 tanh",
        "epoch 1/2  loss",
        "epoch 2/2  loss",
        "best epoch ",
        "class  accuracy",
        "test: accuracy ",
        f"exported   {folder.parent / 'exported' / 'digits' / '1'}",
        "serve it   tensorflow_model_server ",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
