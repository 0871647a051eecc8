from .reproduction import reproduce as reproduce
from .tables import Row as Row
from .tables import Table as Table
from .tables import find_table as find_table
from .tables import table_names as table_names
