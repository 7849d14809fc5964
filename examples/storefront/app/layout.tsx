import type { Metadata } from "next"
import Link from "next/link"
import type { ReactNode } from "react"

import "./globals.css"

export const metadata: Metadata = {
  metadataBase: new URL(process.env.NEXT_PUBLIC_BASE_URL ?? "http://localhost:8000"),
  title: { default: "FlowDose – dosing equipment for clinics and laboratories", template: "%s – FlowDose" },
  description: "Pumps and sterile consumables for exact dosing, with net prices for business customers.",
}

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header className="header">
          <div className="wrap">
            <Link href="/" className="logo">
              Flow<span>Dose</span>
            </Link>
            {process.env.NEXT_PUBLIC_SEARCH_ENABLED === "true" && (
              <form action="/" role="search">
                <input type="search" name="q" placeholder="Search products" aria-label="Search products" />
              </form>
            )}
            <span className="note">For business customers</span>
          </div>
        </header>
        <main className="wrap">{children}</main>
        <footer className="footer">
          <div className="wrap">
            <span>© FlowDose</span>
            <span>Dosing equipment for clinics, pharmacies and laboratories</span>
          </div>
        </footer>
      </body>
    </html>
  )
}
