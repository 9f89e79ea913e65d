"""Who may send scans, and how much."""

from __future__ import annotations

import ipaddress

import attrs
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


@attrs.frozen
class Peer:
    """One device that may send: its application entity title and the address it must call from."""

    title: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Peer:
        """From ``AE_TITLE@ADDRESS``.

        Raises:
            ValueError: no title of 1–16 printable characters, or no IP address.
        """
        title, at, address = text.rpartition("@")
        title = title.strip()
        if not at or not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
            raise ValueError(f"{text!r} is not AE_TITLE@ADDRESS")
        return cls(title, str(ipaddress.ip_address(address.strip())))


class ReceptionConfig(BaseModel):
    """What the DICOM receiver accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dicom_port: int = Field(0, ge=0, le=65535, description="0: nothing is received")
    dicom_bind: str = Field("127.0.0.1", description="address of this machine to listen on; loopback unless configured")
    ae_title: str = Field("OPENPKP", min_length=1, max_length=16, description="peers must call us by it")
    peers: tuple[str, ...] = Field((), description="AE_TITLE@ADDRESS of each device that may send; no other may")
    most_instances: int = Field(2000, ge=1, le=20_000, description="in one association")
    most_mb: float = Field(1024.0, gt=0, le=16_384, description="in one association, MB")
    most_kept_mb: float = Field(8192.0, gt=0, description="in the received folder altogether, MB")
    free_mb: float = Field(1024.0, ge=0, description="of disk that receiving leaves free, MB")
    most_associations: int = Field(2, ge=1, le=8, description="at one time")
    silence_s: float = Field(30.0, gt=0, le=600, description="an association that is silent for so long is aborted")

    @field_validator("dicom_bind")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @field_validator("peers")
    @classmethod
    def _known_peers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Peer.parse(text)
        return value

    @model_validator(mode="after")
    def _somebody_may_send(self) -> ReceptionConfig:
        if self.dicom_port and not self.peers:
            raise ValueError("dicom_port is open and peers names nobody who may send")
        return self

    @property
    def known(self) -> tuple[Peer, ...]:
        """The peers."""
        return tuple(Peer.parse(text) for text in self.peers)
