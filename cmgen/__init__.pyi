from cmgen.generate.model import Model as Model
from cmgen.generate.model import load as load

__version__: str
