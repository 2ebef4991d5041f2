#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// smoke.js DRIVER FOLDER: a smoke test as a project has it. Opens FOLDER/spin.html by
// DRIVER (puppeteer, puppeteer-pipe, puppeteer-firefox, playwright), says so in
// FOLDER/ready, and waits until it is killed.
"use strict";
const fs = require("fs");

// A browser that never asks the network for anything, and runs as root.
const QUIET = [
	"--no-sandbox", "--disable-gpu", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
	"--disable-default-apps", "--disable-domain-reliability", "--no-pings",
];

const launch = {
	puppeteer: () => chromiumBy("puppeteer-core", {}),
	"puppeteer-pipe": () => chromiumBy("puppeteer-core", { pipe: true }),
	"puppeteer-firefox": () =>
		require("puppeteer-core").launch({
			browser: "firefox",
			executablePath: "/usr/bin/firefox-esr",
			headless: true,
		}),
	playwright: () => chromiumBy("playwright-core", {}),
};

function chromiumBy(framework, options) {
	const api = require(framework);
	return (api.chromium || api).launch({
		executablePath: "/usr/bin/chromium", headless: true, args: QUIET, ...options,
	});
}

async function main(driver, folder) {
	const browser = await launch[driver]();
	const page = await browser.newPage();
	await page.goto(`file://${folder}/spin.html`);
	fs.writeFileSync(`${folder}/ready.new`, `${process.pid}\n`);
	fs.renameSync(`${folder}/ready.new`, `${folder}/ready`);
	setInterval(() => {}, 60000); // a test that is not done yet, whatever became of the page
}

main(process.argv[2], process.argv[3]).catch((error) => {
	console.error(error);
	process.exit(1);
});
