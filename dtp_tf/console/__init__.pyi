from .console import Display as Display
from .console import show_report as show_report
from .tables import make_console as make_console
from .tables import show_answers as show_answers
