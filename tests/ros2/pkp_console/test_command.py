"""The command that opens the console."""

import pytest


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused_with_its_number(web, tmp_path, capsys, port):
    from pkp_console.command import main

    with pytest.raises(SystemExit) as ended:
        main(["--no-ros", "--port", port, "--cases", str(tmp_path / "cases")])
    assert ended.value.code == 2
    assert f"--port {port}:" in capsys.readouterr().err
    assert not (tmp_path / "cases").exists()
