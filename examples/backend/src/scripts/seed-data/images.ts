// The pictures are code because `medusa build` copies nothing but compiled TypeScript into .medusa/server.

const INK = "#0b2545"
const ACCENT = "#0f766e"
const FLUID = "#5eead4"

function scene(drawing: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 800" font-family="Helvetica, Arial, sans-serif">
<defs>
<linearGradient id="wall" x1="0" y1="0" x2="0.4" y2="1"><stop offset="0" stop-color="#f6fafb"/><stop offset="1" stop-color="#d5e6e8"/></linearGradient>
<linearGradient id="shell" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#ffffff"/><stop offset="1" stop-color="#d3dee4"/></linearGradient>
<linearGradient id="steel" x1="0" y1="0" x2="1" y2="0"><stop offset="0" stop-color="#8b9aa6"/><stop offset="0.45" stop-color="#eef3f6"/><stop offset="1" stop-color="#7d8c99"/></linearGradient>
<linearGradient id="screen" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#123a63"/><stop offset="1" stop-color="${INK}"/></linearGradient>
<linearGradient id="glass" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#ffffff" stop-opacity="0.95"/><stop offset="0.5" stop-color="#c9e4e8" stop-opacity="0.55"/><stop offset="1" stop-color="#ffffff" stop-opacity="0.9"/></linearGradient>
<filter id="soft" x="-20%" y="-200%" width="140%" height="500%"><feGaussianBlur stdDeviation="14"/></filter>
</defs>
<rect width="800" height="800" fill="url(#wall)"/>
<circle cx="400" cy="380" r="300" fill="#ffffff" opacity="0.55"/>
${drawing}
</svg>`
}

function shadow(width: number, y: number): string {
  return `<ellipse cx="400" cy="${y}" rx="${width / 2}" ry="20" fill="${INK}" opacity="0.28" filter="url(#soft)"/>`
}

function tube(path: string, width = 16): string {
  return (
    `<path d="${path}" fill="none" stroke="#7fb9bd" stroke-width="${width}" stroke-linecap="round"/>` +
    `<path d="${path}" fill="none" stroke="#e9fbfa" stroke-width="${width - 5}" stroke-linecap="round"/>` +
    `<path d="${path}" fill="none" stroke="${FLUID}" stroke-width="${width - 10}" stroke-linecap="round"/>`
  )
}

function display(x: number, y: number, width: number, height: number, value: string, unit: string): string {
  return (
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="14" fill="url(#screen)"/>` +
    `<text x="${x + 20}" y="${y + height * 0.62}" font-size="${height * 0.44}" font-weight="700" fill="#ffffff">${value}</text>` +
    `<text x="${x + 20}" y="${y + height * 0.88}" font-size="${height * 0.18}" fill="${FLUID}">${unit}</text>` +
    `<circle cx="${x + width - 22}" cy="${y + 22}" r="7" fill="#4ade80"/>`
  )
}

function brand(x: number, y: number): string {
  return `<text x="${x}" y="${y}" font-size="22" font-weight="700" letter-spacing="1" fill="${INK}">Flow<tspan fill="${ACCENT}">Dose</tspan></text>`
}

function buttons(x: number, y: number, count: number, gap: number): string {
  return Array.from({ length: count }, (_, index) => {
    const fill = index === count - 1 ? ACCENT : "#eef3f6"
    return `<circle cx="${x + index * gap}" cy="${y}" r="19" fill="${fill}" stroke="#b9c7cf" stroke-width="2"/>`
  }).join("")
}

const rollers = [0, 120, 240]
  .map((angle) => `<g transform="rotate(${angle} 290 440)"><circle cx="290" cy="375" r="26" fill="url(#steel)" stroke="#6b7a86" stroke-width="2"/><circle cx="290" cy="375" r="7" fill="${INK}"/></g>`)
  .join("")

export const peristalticPump = scene(`
${shadow(520, 632)}
<rect x="140" y="250" width="520" height="374" rx="40" fill="url(#shell)" stroke="#bccad2" stroke-width="3"/>
<path d="M140 570h520v14a40 40 0 0 1-40 40H180a40 40 0 0 1-40-40z" fill="${ACCENT}"/>
<circle cx="290" cy="440" r="128" fill="#c3d0d8"/><circle cx="290" cy="440" r="118" fill="${INK}"/>
${tube("M120 700 C120 560 150 520 186 470 A106 106 0 1 1 394 470 C412 540 430 590 430 700")}
<circle cx="290" cy="440" r="84" fill="#dbe5ea"/>${rollers}<circle cx="290" cy="440" r="26" fill="${ACCENT}"/>
${brand(458, 300)}
${display(456, 318, 172, 116, "12.5", "mL / min")}
${buttons(480, 486, 3, 62)}
`)

export const syringePump = scene(`
${shadow(620, 622)}
<rect x="90" y="420" width="620" height="192" rx="32" fill="url(#shell)" stroke="#bccad2" stroke-width="3"/>
<path d="M90 572h620v8a32 32 0 0 1-32 32H122a32 32 0 0 1-32-32z" fill="${ACCENT}"/>
${tube("M196 338 C110 338 70 300 70 210 S150 130 190 150", 14)}
<rect x="190" y="328" width="44" height="20" rx="6" fill="#b5c8ce"/>
<rect x="232" y="288" width="290" height="100" rx="14" fill="url(#glass)" stroke="#9fb9bf" stroke-width="3"/>
<rect x="238" y="304" width="190" height="68" rx="8" fill="${FLUID}" opacity="0.75"/>
<rect x="426" y="296" width="26" height="84" rx="6" fill="${INK}"/>
<rect x="452" y="324" width="150" height="28" fill="url(#steel)"/>
${Array.from({ length: 9 }, (_, index) => `<path d="M${262 + index * 26} 290v${index % 2 ? 14 : 24}" stroke="${INK}" stroke-width="3"/>`).join("")}
<rect x="222" y="384" width="34" height="52" rx="8" fill="#93a4af"/><rect x="500" y="384" width="34" height="52" rx="8" fill="#93a4af"/>
<rect x="596" y="280" width="56" height="152" rx="14" fill="url(#shell)" stroke="#bccad2" stroke-width="3"/><rect x="596" y="300" width="56" height="14" fill="${ACCENT}"/>
${display(122, 448, 236, 104, "0.250", "mL / h   channel A")}
${brand(392, 482)}
${buttons(412, 526, 5, 62)}
`)

export const infusionPump = scene(`
${shadow(380, 668)}
<rect x="588" y="70" width="22" height="596" rx="11" fill="url(#steel)"/><path d="M500 96h100" stroke="#8b9aa6" stroke-width="14" stroke-linecap="round"/>
<path d="M440 110h120a18 18 0 0 1 18 18v110a40 40 0 0 1-40 40h-76a40 40 0 0 1-40-40V128a18 18 0 0 1 18-18z" fill="url(#glass)" stroke="#9fb9bf" stroke-width="3"/>
<path d="M425 176h150v62a37 37 0 0 1-37 37h-76a37 37 0 0 1-37-37z" fill="${FLUID}" opacity="0.7"/>
<rect x="450" y="136" width="100" height="24" rx="5" fill="#ffffff" opacity="0.9"/><path d="M460 148h60" stroke="${ACCENT}" stroke-width="5"/>
${tube("M500 280 C500 302 520 300 520 326", 14)}
<rect x="210" y="300" width="380" height="350" rx="38" fill="url(#shell)" stroke="#bccad2" stroke-width="3"/>
<path d="M210 596h380v16a38 38 0 0 1-38 38H248a38 38 0 0 1-38-38z" fill="${ACCENT}"/>
${brand(244, 348)}
${display(240, 366, 218, 138, "80", "mL / h   1.2 bar")}
${buttons(266, 548, 4, 58)}
<rect x="478" y="326" width="84" height="244" rx="16" fill="#c3d0d8"/><rect x="486" y="334" width="68" height="228" rx="12" fill="#eef3f6"/>
${tube("M520 318 V584 C520 700 470 700 400 716", 14)}
<rect x="500" y="404" width="40" height="26" rx="6" fill="${INK}"/><rect x="500" y="442" width="40" height="26" rx="6" fill="${INK}"/><rect x="500" y="480" width="40" height="26" rx="6" fill="${INK}"/>
`)

export const tubingSet = scene(`
${shadow(480, 668)}
${[226, 200, 174, 148, 122].map((radius) => tube(`M${400 - radius} 410 a${radius} ${radius} 0 1 1 ${radius * 2} 0 a${radius} ${radius} 0 1 1 ${-radius * 2} 0`, 20)).join("")}
${tube("M226 410 C180 560 200 640 300 690", 20)}${tube("M626 410 C640 560 620 640 520 690", 20)}
<rect x="372" y="176" width="56" height="128" rx="12" fill="${ACCENT}"/><rect x="372" y="222" width="56" height="12" fill="#ffffff" opacity="0.5"/>
<g transform="rotate(28 300 690)"><rect x="284" y="672" width="64" height="36" rx="8" fill="#ffffff" stroke="#9fb0ba" stroke-width="3"/><rect x="348" y="680" width="30" height="20" rx="4" fill="${ACCENT}"/></g>
<g transform="rotate(152 520 690)"><rect x="504" y="672" width="64" height="36" rx="8" fill="#ffffff" stroke="#9fb0ba" stroke-width="3"/><rect x="568" y="680" width="30" height="20" rx="4" fill="${INK}"/></g>
<rect x="330" y="372" width="140" height="76" rx="14" fill="#ffffff" stroke="#c7d5db" stroke-width="2"/>
<text x="400" y="404" font-size="22" font-weight="700" text-anchor="middle" fill="${INK}">STERILE</text><text x="400" y="432" font-size="18" text-anchor="middle" fill="${ACCENT}">3.2 mm · 2 m</text>
`)
