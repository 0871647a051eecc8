from .start_up import measure_start_up as measure_start_up
from .throughput import measure_throughput as measure_throughput
