from .page import Page as Page
from .page import write_page as write_page
from .run_page import write_run_page as write_run_page
