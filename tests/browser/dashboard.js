// Reads the dashboard the way a person does: by the names of its regions and the words on them.

/** A grouped number as it is shown, `1,234`, as a number; null when there is none in the text. */
export function shownNumber(text) {
  const match = text?.match(/[\d,]+/)
  return match ? Number(match[0].replaceAll(',', '')) : null
}

const figure = (page, name) => page.getByRole('region', { name, exact: true }).locator('.stat__value')

/** Shown amounts, `60,875.00USD`, as `{USD: "60875.00"}`. */
async function amounts(page, name) {
  const texts = await figure(page, name).allInnerTexts()
  return Object.fromEntries(
    texts.map(text => {
      const [, digits, currency] = text.replace(/\s/g, '').match(/^([\d,.]+)([A-Z]{3})$/) ?? []
      return [currency, digits?.replaceAll(',', '')]
    }),
  )
}

const lines = (page, name, item) => page.getByRole('region', { name, exact: true }).locator(item)

/** The six statistics as the page shows them now. */
export async function readSix(page) {
  return {
    totalSent: shownNumber(await figure(page, 'Total sent').innerText()),
    totalValue: await amounts(page, 'Total value'),
    averageValue: await amounts(page, 'Average value'),
    redemptionPercent: Number((await figure(page, 'Redemption rate').innerText()).replace('%', '')),
    topTypes: await lines(page, 'Top types', '.type').evaluateAll(items =>
      items.map(item => ({
        type: item.querySelector('.type__name').textContent,
        count: Number(item.querySelector('.type__count').firstChild.textContent.replace(/\D/g, '')),
      })),
    ),
    recentActivity: await lines(page, 'Recent activity', '.activity__gift').allTextContents(),
  }
}

/** The same six, from `statistics.json`. Shares are rounded for the page to one decimal. */
export function expectedSix(statistics, shown) {
  const those = (all, currencies) => Object.fromEntries(currencies.map(currency => [currency, all[currency]]))
  const percent = Number(statistics.redemption_rate) * 100
  return {
    totalSent: statistics.total_sent,
    // The page shows the three greatest sums; which ones is its own choice, what they are is not.
    totalValue: those(statistics.total_value, Object.keys(shown.totalValue)),
    averageValue: those(statistics.average_value, Object.keys(shown.averageValue)),
    redemptionPercent: Math.abs(shown.redemptionPercent - percent) <= 0.05 + 1e-9 ? shown.redemptionPercent : percent,
    topTypes: statistics.top_types.map(({ type, count }) => ({ type, count })),
    recentActivity: statistics.recent_activity.map(({ gift_name: name }) => name ?? 'Unnamed gift'),
  }
}

/** The number of orphans on the page. */
export async function readOrphans(page) {
  return shownNumber(await page.getByRole('region', { name: 'Orphans', exact: true }).locator('.orphans__count').innerText())
}

/** How many gifts the progress says are done; null while no progress is shown. */
export function readDone(page) {
  return page.evaluate(() => {
    const figure = document.querySelector('.progress__figure')
    const text = figure?.firstChild?.textContent
    // While reading, the figure counts what was found; what is done begins after it.
    return text && !figure.textContent.includes('found') ? Number(text.replace(/\D/g, '')) : null
  })
}
