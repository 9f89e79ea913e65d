"""Bone cements and what becomes of their volume on setting."""

from __future__ import annotations

import attrs

from planning_core.errors import InputError


class UnknownProductError(InputError):
    """No cement of that name in the table. Carries ``known``."""

    code = "unknown_product"


@attrs.frozen
class CementProduct:
    """One product.

    Args:
        expansion: volume change from liquid to set, signed (PMMA shrinks: negative).
        viscosity: class. source: of the value, or ``assumed``.
    """

    name: str
    viscosity: str
    expansion: float
    source: str


PRODUCTS: dict[str, CementProduct] = {
    p.name: p
    for p in (
        CementProduct(
            "Kyphon HV-R",
            "high",
            -0.051,
            "class value: hand-mixed PMMA shrinks 5.1 % (J Biomed Mater Res 52:210); product not measured",
        ),
        CementProduct(
            "Kyphon Xpede",
            "high",
            -0.051,
            "class value: hand-mixed PMMA shrinks 5.1 % (J Biomed Mater Res 52:210); product not measured",
        ),
        CementProduct(
            "medium-viscosity PMMA", "medium", -0.059, "assumed: midway between hand-mixed 5.1 % and vacuum-mixed 6.7 %"
        ),
        CementProduct(
            "low-viscosity PMMA", "low", -0.067, "class value: vacuum-mixed PMMA shrinks 6.7 % (J Biomed Mater Res 52:210)"
        ),
    )
}


def find_product(name: str) -> CementProduct:
    """A product by its name, whatever the case.

    Raises:
        UnknownProductError: not in the table.
    """
    for key, product in PRODUCTS.items():
        if key.lower() == name.strip().lower():
            return product
    raise UnknownProductError(f"no cement {name!r}; known: {', '.join(PRODUCTS)}", known=list(PRODUCTS))
