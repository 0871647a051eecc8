from .folder import Run as Run
from .folder import best_epoch as best_epoch
from .models import SavedModel as SavedModel
from .models import load_model as load_model
from .models import save_model as save_model
from .provenance import card_facts as card_facts
from .provenance import fingerprint as fingerprint
