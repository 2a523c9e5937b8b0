"""The mouse goes to the terminal and comes back, where the driver can do that."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver

from udplb.tui.mouse import let_go, take_back


class Driver:
    def __init__(self) -> None:
        self.said: list[str] = []

    def _disable_mouse_support(self) -> None:
        self.said.append("off")

    def _enable_mouse_support(self) -> None:
        self.said.append("on")

    def flush(self) -> None:
        self.said.append("flush")


def test_it_goes_and_comes_back() -> None:
    driver = Driver()
    assert let_go(driver)
    assert take_back(driver)
    assert driver.said == ["off", "flush", "on", "flush"]


def test_a_driver_that_cannot_is_left_alone() -> None:
    assert not let_go(object())
    assert not take_back(None)


def test_the_driver_of_terminals_can() -> None:
    """Textual names these methods as its own, and may rename them."""
    assert hasattr(LinuxDriver, "_disable_mouse_support")
    assert hasattr(LinuxDriver, "_enable_mouse_support")
