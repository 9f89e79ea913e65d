"""The command that opens the console."""

import json

import pytest


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused_with_its_number(web, tmp_path, capsys, port):
    from pkp_console.command import main

    with pytest.raises(SystemExit) as ended:
        main(["--no-ros", "--port", port, "--cases", str(tmp_path / "cases")])
    assert ended.value.code == 2
    assert f"--port {port}:" in capsys.readouterr().err
    assert not (tmp_path / "cases").exists()


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_is_none_is_not_looked_for(web, port):
    """As ``./pkp up`` asks, whose option says nothing of a range."""
    from pkp_console.command import free_port
    from pkp_console.config import BadPortError

    with pytest.raises(BadPortError, match=f"--port {port}:") as caught:
        free_port(port)
    assert caught.value.port == port


def new_pin(tmp_path, words):
    from pkp_console.command import main

    return main(["--no-ros", "--new-pin", words, "--cases", str(tmp_path / "cases")])


def roles(tmp_path):
    held = json.loads((tmp_path / "cases/.console/users.json").read_text())
    return {name: user["role"] for name, user in held.items()}


def test_a_new_pin_makes_users_and_never_changes_anybodys_role(web, tmp_path, capsys):
    assert new_pin(tmp_path, "viewer:viewer") == 0
    assert new_pin(tmp_path, "viewer") == 0
    before = (tmp_path / "cases/.console/users.json").read_bytes()
    capsys.readouterr()
    for role in ("operator", "viewer"):
        assert new_pin(tmp_path, f"viewer:{role}") == 2
        said = capsys.readouterr()
        assert "viewer" in said.err
        assert "PIN " not in said.out
    assert (tmp_path / "cases/.console/users.json").read_bytes() == before
    assert new_pin(tmp_path, "second:operator") == 0
    assert roles(tmp_path) == {"viewer": "viewer", "second": "operator"}


@pytest.mark.parametrize("name", ["", " ", "a" * 65, " viewer", "view\ner", "\x1b[2J"])
def test_a_name_that_nobody_could_sign_in_with_is_refused(web, tmp_path, capsys, name):
    assert new_pin(tmp_path, f"{name}:operator") == 2
    assert "a name has 1 to 64" in capsys.readouterr().err
    assert not (tmp_path / "cases/.console/users.json").exists()
