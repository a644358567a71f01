import { launch, watchedPage } from './browser.js'
import { serveSamples } from './samples.js'
const s = await serveSamples()
const b = await launch()
const c = await b.newContext({viewport:{width:Number(process.argv[2]),height:800}})
const {page}=await watchedPage(c)
for (const n of process.argv.slice(3)) {
 await page.goto(s.address(n))
 console.log(n, await page.evaluate(()=>{const w=document.documentElement.clientWidth; return [...document.querySelectorAll('main *')].filter(e=>e.getBoundingClientRect().right>w+1 && !e.closest('svg')&& !e.closest('.chart')&& !e.closest('.visually-hidden')).map(e=>e.localName+'.'+e.className+' '+(e.getBoundingClientRect().right|0)+' <'+e.parentElement.className).slice(0,14)}))
 await page.screenshot({path:`/tmp/hb/${n}-${process.argv[2]}.png`,fullPage:true})
}
await b.close(); await s.stop()
