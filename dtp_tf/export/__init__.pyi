from .saved_model import export as export
from .saved_model import format_paths as format_paths
from .saved_model import serve_command as serve_command
from .trained_export import export_trained as export_trained
