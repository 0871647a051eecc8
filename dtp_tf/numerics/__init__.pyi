from .activations import matched as matched
from .directions import orthogonal_directions as orthogonal_directions
from .noise import gaussian as gaussian
from .noise import orthogonal as orthogonal
from .noise import uniform as uniform
from .precision import exact as exact
from .precision import is_mixed as is_mixed
from .sampling import bernoulli as bernoulli
