"""Knowledge: what is known of the endpoints, for whoever admits, stages or shows prompts."""

from dataclasses import dataclass, field

from engine.catalog.approved_models import ApprovedModels
from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import Definitions
from engine.catalog.intake import CatalogListener, NoCatalogs


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One of each for the whole program."""

    catalogs: Catalogs
    definitions: Definitions
    approved: ApprovedModels
    intake: CatalogListener = field(default_factory=NoCatalogs)
    """takes what the workers tell of themselves"""
