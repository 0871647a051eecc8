from .child_process import ChildProcess as ChildProcess
from .child_process import run_jobs as run_jobs
from .locks import locked as locked
from .locks import try_lock as try_lock
from .quiet import import_tensorflow as import_tensorflow
from .stopping import stoppable as stoppable
