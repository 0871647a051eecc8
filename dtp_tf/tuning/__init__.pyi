from .search_space import SearchSpace as SearchSpace
from .search_space import make_search as make_search
from .shared_study import SharedStudy as SharedStudy
from .tuning import tune as tune
