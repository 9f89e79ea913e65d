"""Step 6: from the geometric deficit to millilitres of liquid cement, and to what is recommended of them."""

from __future__ import annotations

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import BoneQuality
from planning_core.cement.config import CementConfig
from planning_core.cement.plan import VolumeInterval
from planning_core.cement.products import CementProduct


def liquid(deficit: VolumeInterval, product: CementProduct) -> VolumeInterval:
    """Liquid cement that sets to a volume: V / (1 + expansion); PMMA shrinks, so a little more than V."""
    factor = 1 + product.expansion
    return VolumeInterval(deficit.value_ml / factor, deficit.low_ml / factor, deficit.high_ml / factor)


def level_range(level: VertebraLevel, config: CementConfig) -> tuple[float, float]:
    """Usual set volume at a level, ml."""
    if level.ordinal <= 10:
        return config.thoracic_ml
    return config.junction_ml if level.ordinal <= 14 else config.lumbar_ml


def recommend(
    deficit: VolumeInterval,
    ideal_body_ml: float,
    level: VertebraLevel,
    bone: BoneQuality | None,
    product: CementProduct,
    config: CementConfig,
) -> tuple[VolumeInterval, tuple[str, ...]]:
    """The dose policy allows: the least of a share of the deficit, a share of the body and the level's usual maximum.

    Returns:
        Recommended liquid ml with its interval, and sentences that say which limit ruled.
    """
    usual = level_range(level, config)
    said = []
    limits = {
        f"{config.share_of_deficit:.0%} of the deficit": config.share_of_deficit * deficit.value_ml,
        f"{config.share_of_body:.0%} of the intact body": config.share_of_body * ideal_body_ml,
        f"usual maximum at {level.value}": usual[1],
    }
    ruled = min(limits, key=lambda k: limits[k])
    dose = limits[ruled]
    said.append("; ".join(f"{name}: {value:.1f} ml" for name, value in limits.items()))
    said.append(f"{ruled} rules: {dose:.1f} ml of set cement")
    if dose < usual[0]:
        said.append(f"below the usual {usual[0]:g}–{usual[1]:g} ml at {level.value}; not raised, for the deficit is what it is")
    if bone is None:
        said.append("no CT: clefts and cortical gaps that raise leakage were not looked for")
    elif bone.gas_ml >= config.leak_caution_gas_ml:
        dose *= config.leak_caution_factor
        said.append(f"cleft with {bone.gas_ml:.1f} ml of gas: reduced to {config.leak_caution_factor:.0%}, leakage is likelier")
    factor = 1 + product.expansion
    low, high = (min(dose, config.share_of_deficit * v) for v in (deficit.low_ml, deficit.high_ml))
    value = dose / factor
    return VolumeInterval(value, min(value, low / factor), max(value, high / factor)), tuple(said)
