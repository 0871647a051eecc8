from .addresses import Address as Address
from .addresses import parse_address as parse_address
from .asking import answer as answer
from .client import Client as Client
from .client import ServerError as ServerError
from .client import UnavailableError as UnavailableError
from .client import describe as describe
from .connecting import connect as connect
