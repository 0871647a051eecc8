from .comparison import compare as compare
from .plan import make_plan as make_plan
from .results import Result as Result
from .results import summarize as summarize
