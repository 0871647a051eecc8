from .diagnostics import Diagnostics as Diagnostics
from .evaluation import answer as answer
from .evaluation import draw_confusion_matrix as draw_confusion_matrix
from .evaluation import draw_curves as draw_curves
from .evaluation import evaluate as evaluate
from .evaluation import predict as predict
from .evaluation import report as report
