# SPDX-License-Identifier: GPL-2.0-or-later
"""
What becomes of a browser when its driver, its CI step or itself is killed, and what is
said of it. The table of docs/browsers.md is made of this: `driver_cases.py` prints it.
"""

from scenes import BROWSER_LANE

CHROMIUM, FIREFOX, CHROMEDRIVER = "chromium", "firefox-esr", "chromedriver"


class Driver:
    def __init__(self, name, command, browser, title):
        self.name, self.command, self.browser, self.title = name, command, browser, title


DRIVERS = {d.name: d for d in (
    Driver("chromedriver", "./webdriver.py", CHROMIUM,
           "chromedriver, in the step's process group"),
    Driver("chromedriver-own-group", "./webdriver.py --own-group", CHROMIUM,
           "chromedriver, leader of a process group"),
    Driver("puppeteer", "node ./smoke.js puppeteer", CHROMIUM,
           "Puppeteer (`--remote-debugging-port`)"),
    Driver("puppeteer-pipe", "node ./smoke.js puppeteer-pipe", CHROMIUM,
           "Puppeteer with `pipe: true`"),
    Driver("playwright", "node ./smoke.js playwright", CHROMIUM,
           "Playwright (`--remote-debugging-pipe`)"),
    Driver("puppeteer-firefox", "node ./smoke.js puppeteer-firefox", FIREFOX,
           "Puppeteer with Firefox"),
    Driver("marionette", "./marionette.py", FIREFOX,
           "Firefox by Marionette, as geckodriver starts it"),
)}  # fmt: skip

KILLS = {
    "driver": "the driver",
    "client": "the test that talks to it",
    "group": "the step's process group",
    "root": "the root of the browser",
}


class Case:
    """
    What was killed under which driver. `root` is the comm of the orphan that the finding is
    about, and `origin` that of the one who started it; both None when all of the browser leaves.
    """

    def __init__(self, driver, kill, root=None, origin=None, dead_leader=False):
        self.driver, self.kill, self.root, self.origin = DRIVERS[driver], kill, root, origin
        self.dead_leader = dead_leader  # the root's process group has lost its leader
        self.name = f"{driver}.{kill}"
        self.lane = BROWSER_LANE if root else None


CASES = (
    Case("chromedriver", "driver", CHROMIUM, CHROMEDRIVER),
    Case("chromedriver", "client", CHROMEDRIVER, "python3"),
    Case("chromedriver", "group"),
    Case("chromedriver", "root"),
    Case("chromedriver-own-group", "driver", CHROMIUM, CHROMEDRIVER, dead_leader=True),
    Case("chromedriver-own-group", "group", CHROMEDRIVER, "python3"),
    Case("chromedriver-own-group", "root"),
    Case("puppeteer", "driver", CHROMIUM, "node"),
    Case("puppeteer", "group", CHROMIUM, "node"),
    Case("puppeteer", "root"),
    Case("puppeteer-pipe", "driver"),
    Case("puppeteer-pipe", "group"),
    Case("puppeteer-pipe", "root"),
    Case("playwright", "driver"),
    Case("playwright", "group"),
    Case("playwright", "root"),
    Case("puppeteer-firefox", "driver", FIREFOX, "node"),
    Case("puppeteer-firefox", "group", FIREFOX, "node"),
    Case("puppeteer-firefox", "root"),
    Case("marionette", "driver", FIREFOX, "python3"),
    Case("marionette", "group"),
    Case("marionette", "root"),
)


HEAD = ("driver", "`kill -9` of", "the browser", "finding about", "origin known", "lane")


def cells(case):
    if not case.root:
        return "leaves", "nothing", "", ""
    stays = "survives"
    if case.root != case.driver.browser:
        stays += f", below {case.root}"
    if case.dead_leader:
        stays += ", its group's leader is dead"
    return stays, case.root, f"yes: {case.origin}, SIGKILL", f"`{case.lane}`"


def markdown():
    """The table, as it stands in docs/browsers.md."""
    rows = [HEAD, ("---",) * len(HEAD)]
    rows += [(c.driver.title, KILLS[c.kill], *cells(c)) for c in CASES]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    print(markdown(), end="")
